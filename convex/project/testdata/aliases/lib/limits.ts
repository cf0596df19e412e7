export const dimensions = 1536;
