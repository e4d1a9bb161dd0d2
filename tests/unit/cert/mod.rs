mod trust;
mod x509;
