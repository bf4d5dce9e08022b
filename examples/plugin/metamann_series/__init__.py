"""Short time series: an example of a plug-in for metamann."""
