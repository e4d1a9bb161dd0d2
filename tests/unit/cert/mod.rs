mod x509;
