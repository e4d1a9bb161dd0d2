mod chains;
mod proof;
mod roots;
mod trust;
mod x509;
