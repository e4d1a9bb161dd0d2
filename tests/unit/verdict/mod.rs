mod alike;
mod keyword;
