mod compare;
mod trace;
mod watch;
