//! Certificates: what is in one, and throw-away ones.
//!
//!   x509   enough DER to summarise a certificate
//!   mint   throw-away certificates for the services that reach plays itself
//!   proof  the one way to a good certificate, and to sending anything over it

pub mod x509;
pub mod mint;
pub mod proof;
