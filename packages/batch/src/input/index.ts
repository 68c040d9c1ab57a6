export { describeIssue } from './describe-issue.ts';
export { isWithinDepth } from './json-depth.ts';
export { JsonObjectInput } from './json-object.ts';
export { MessageInput } from './messages.ts';
export { questionFields, rareFields, requireOneQuestion, settingFields } from './question-fields.ts';
export { requireRequestSize } from './require-request-size.ts';
export { toConversation, toSettings } from './to-question.ts';
