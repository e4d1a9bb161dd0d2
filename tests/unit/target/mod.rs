mod proxy;
mod retype;
