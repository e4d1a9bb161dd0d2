mod calendar;
mod files;
mod sys;
mod text;
