//! White-box tests: what cannot be seen from outside the binary.

mod compare;
mod connect;
mod hello;
mod many;
mod reply;
mod resolve;
mod starttls;
mod tls;
mod tunnel;
mod watch;
mod x509;
