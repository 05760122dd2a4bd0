"""How a library is watched: instrumentors, wrapped methods, hooks. Imports the SDK and no other room."""
