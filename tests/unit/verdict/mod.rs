mod alike;
mod inference;
mod keyword;
