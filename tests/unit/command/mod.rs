mod compare;
mod watch;
