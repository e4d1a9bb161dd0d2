mod calendar;
mod files;
mod shell;
mod sys;
mod text;
