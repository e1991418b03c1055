"""The device, and the processes that train one model together."""
