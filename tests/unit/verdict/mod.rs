mod alike;
mod keyword;
mod rows;
