-- Which instance began to answer a text message and has not said that it is done; NULL: it is done.
ALTER TABLE messages ADD COLUMN begun_by TEXT;
