"""Which tool calls a model right or wrong when it is: real streams and planted worlds, and the answers of six tools."""
