"""What there is: a slide or a site profile, the packaged models, this machine."""
