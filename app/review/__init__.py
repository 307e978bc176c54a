"""What people decide on results: decisions in every version, regions, signatures, addenda, a second reading; in a
database that only ever grows. Draws nothing. `reviews.open_reviews` is the way in."""
