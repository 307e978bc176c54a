"""The viewer: a Streamlit app that shows stored results over their slides. Computes no result itself."""
