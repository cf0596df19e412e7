package local

// ReadSet is what a query's result rests on: index ranges, tables, schemas.
type ReadSet struct{}

// Deployment is one embedded deployment.
type Deployment struct{}

// View is a consistent read-only copy of a deployment's data.
type View struct{}
