mod advice;
mod alike;
mod inference;
mod keyword;
mod pasted;
