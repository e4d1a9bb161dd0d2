mod chains;
mod trust;
mod x509;
