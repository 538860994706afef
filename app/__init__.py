"""The composition root: configuration, start and stop order, the command line. The only place that knows every
class."""
