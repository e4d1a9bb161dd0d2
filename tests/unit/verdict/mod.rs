mod alike;
mod rows;
