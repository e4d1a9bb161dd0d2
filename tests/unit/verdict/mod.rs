mod advice;
mod alike;
mod inference;
mod keyword;
