"""What layers compute with: functions without parameters, in the form that suits the device."""
