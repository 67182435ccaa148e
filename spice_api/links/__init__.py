"""Link types: links between classes that are made from data, and what people put on top of them."""
