mod chains;
mod roots;
mod trust;
mod x509;
