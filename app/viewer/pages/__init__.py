"""What a person sees: the only room that calls Streamlit to draw."""
