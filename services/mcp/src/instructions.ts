/** What a client's model reads about this server before it sees the tools. */
export const instructions = `AI Model Manager asks language models of several providers (OpenAI, Anthropic, Google, Mistral, Ollama and others) through one queue per provider.

- generate asks one model, compare_models several at once. Name models as provider/model-id; list_models shows which there are, with prices. Aliases work too: fast, smart, code and the user's own (get_preferences, set_preference).
- Both wait for the answer. If a result has status queued or running, it holds a job_id: call get_job with that job_id and wait_seconds until status is succeeded. Do not ask the same question again; the job goes on. list_jobs finds lost ones.
- Answers carry token counts and cost_usd; get_usage_stats adds them up, estimate_cost says before what a request would cost. A cost of null means that the price is unknown.
- generate with save_conversation: true keeps what was said; conversation_id goes on with it, with any model. list_conversations finds it again.
- An error says what to do. check_health shows which provider, key, worker or database is at fault.`;
