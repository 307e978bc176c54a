"""Images from a browser: on their way in, and stored with what is made of them."""
