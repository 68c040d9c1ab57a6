import type { ConversationMessage, MessagePart } from '@aimm/contracts';
import { formatCost, formatCount } from '@aimm/runtime/format';
import type { WholeConversation } from './read-conversation.ts';

/** The whole of it as JSON: every part as it was, times in ISO 8601, money in dollars. */
export function toJsonExport({ conversation, messages }: WholeConversation) {
  const { id, title, client, version, createdAt, updatedAt, summary } = conversation;
  return {
    id,
    title,
    client,
    turns: version,
    created_at: new Date(createdAt).toISOString(),
    updated_at: new Date(updatedAt).toISOString(),
    ...(summary !== undefined && { summary: { text: summary.text, of_messages_before: summary.until } }),
    messages: messages.map(({ position, message, model, requestId, costNanoUsd, usage, createdAt: at }) => ({
      position,
      role: message.role,
      content: message.content,
      ...(model !== undefined && { model }),
      ...(requestId !== undefined && { job_id: requestId }),
      ...(costNanoUsd !== undefined && { cost_usd: costNanoUsd === null ? null : costNanoUsd / 1e9 }),
      ...(usage !== undefined && { usage }),
      created_at: new Date(at).toISOString(),
    })),
  };
}

/** For people: who said what, with the model, tokens and cost of each answer. */
export function toMarkdown({ conversation, messages }: WholeConversation): string {
  const { id, title, createdAt } = conversation;
  const head = `# ${title}\n\n${id}, begun ${new Date(createdAt).toISOString()}`;
  return `${[head, ...messages.map(toSection)].join('\n\n')}\n`;
}

const names = { system: 'System', user: 'User', assistant: 'Assistant' } as const;

function toSection(stored: ConversationMessage): string {
  const { message, model } = stored;
  const heading = `## ${names[message.role]}${model === undefined ? '' : ` (${model})`}`;
  const facts = toFacts(stored);
  return [heading, ...message.content.map(toBlock), ...(facts === '' ? [] : [`*${facts}*`])].join('\n\n');
}

function toFacts({ usage, costNanoUsd, requestId }: ConversationMessage): string {
  if (requestId === undefined) return '';
  const tokens =
    usage?.inputTokens === undefined && usage?.outputTokens === undefined
      ? []
      : [`${formatCount(usage.inputTokens)} in, ${formatCount(usage.outputTokens)} out tokens`];
  return [...tokens, `cost ${formatCost(costNanoUsd ?? null)}`, requestId].join(' · ');
}

function toBlock(part: MessagePart): string {
  switch (part.type) {
    case 'text':
      return part.text;
    case 'reasoning':
      return part.text.replaceAll(/^/gm, '> ');
    case 'tool_call':
      return `Tool call ${part.id}: \`${part.name}\`\n\n${fence(JSON.stringify(part.arguments, undefined, 2), 'json')}`;
    case 'tool_result':
      return `Result of ${part.toolCallId}:\n\n${fence(part.content, '')}`;
    case 'image':
      return part.url?.startsWith('data:') === false ? `![image](${part.url})` : '*(an image)*';
    case 'file':
      return `*(a file: ${part.filename ?? part.mediaType})*`;
  }
}

/** Longer than any fence inside. */
function fence(text: string, language: string): string {
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(({ 0: run }) => run.length));
  const marks = '`'.repeat(longest + 1);
  return `${marks}${language}\n${text}\n${marks}`;
}
