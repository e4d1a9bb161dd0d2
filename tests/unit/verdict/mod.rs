mod advice;
mod alike;
mod golden;
mod inference;
mod keyword;
mod pasted;
