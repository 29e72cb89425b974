"""OTP's own cases for supervisors, kept one by one: each test names the scenarios it keeps."""
