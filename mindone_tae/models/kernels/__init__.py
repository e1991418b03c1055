"""What layers compute with, in the form that suits the device."""
