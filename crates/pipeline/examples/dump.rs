fn main(){ println!("{}", serde_json::to_string_pretty(&pipeline::schema::schema()).unwrap()); }
