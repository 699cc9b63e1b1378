-- Workspace and source come last: in front, they made the planner take these indexes for the unique key while the table
-- was not analysed yet, and read a whole source for each message that came again (870 ms a batch of 500, now 15 ms).

drop index messages_by_conversation;
create index messages_by_conversation on messages (conversation, source, workspace, sent_at);

drop index messages_by_reply;
create index messages_by_reply on messages (reply_to, source, workspace) where reply_to is not null;
