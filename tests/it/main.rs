#![cfg(test)]

mod servers_work;
mod support;
