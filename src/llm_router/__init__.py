"""llm-router: one local endpoint for all the LLM accounts a person has."""
