"""The functions that layers call: without parameters, in the form that suits the device."""
