//! White-box tests: what cannot be seen from outside the binary.

mod connect;
mod hello;
mod reply;
mod many;
mod resolve;
mod starttls;
mod tls;
mod tunnel;
mod watch;
mod x509;
