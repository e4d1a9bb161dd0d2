//! Certificates: what is in one, what it is worth, and throw-away ones.
//!
//!   dn          distinguished names
//!   key         public keys
//!   extensions  what the extensions say
//!   x509        a certificate, summarised
//!   mint        throw-away certificates for the services that reach plays itself
//!   proof       the one way to a good certificate, and to sending anything over it
//!   roots       Mozilla's, as the build packed them
//!   store       files of certificates, and the roots that this box trusts
//!   identity    what a client shows, or a server that reach plays
//!   flaw        what is wrong with a path
//!   trust       a chain judged by every store

pub mod dn;
pub mod key;
pub mod extensions;
pub mod x509;
pub mod mint;
pub mod proof;
pub mod roots;
pub mod store;
pub mod identity;
pub mod flaw;
pub mod trust;
