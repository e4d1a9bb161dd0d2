mod calendar;
mod sys;
mod text;
