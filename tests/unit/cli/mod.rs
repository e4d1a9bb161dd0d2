mod list;
mod options;
