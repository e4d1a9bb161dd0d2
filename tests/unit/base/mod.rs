mod sys;
mod text;
