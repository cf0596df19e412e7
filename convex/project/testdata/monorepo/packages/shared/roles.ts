export const roles = ["owner", "member", "guest"] as const;
