mod connect;
mod hello;
mod reply;
mod resolve;
mod starttls;
mod tls;
mod tunnel;
