//! White-box tests: what cannot be seen from outside the binary.

mod connect;
mod resolve;
mod tls;
mod x509;
