mod retype;
