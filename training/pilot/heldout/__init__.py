"""What pilot is measured on: phrasings, tools, kinds of request and texts that training never sees."""
