"""What stands before every page: who gets in, how much one may take, and how Streamlit is set."""
